"""The models that the engine can stand on: vLLM in process, vLLM servers over HTTP, a scripted one."""
