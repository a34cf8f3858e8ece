// New ids, for conversations and for what is sent.

/** A hundred bits as letters and digits. `crypto.randomUUID` is missing where the page came over plain HTTP. */
export function newId() {
  const numbers = crypto.getRandomValues(new Uint8Array(20));
  return Array.from(numbers, (number) => (number % 32).toString(32)).join("");
}
