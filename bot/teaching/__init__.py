"""What a person says of an answer becomes memory."""
