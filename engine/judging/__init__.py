"""What a reply is worth: counted, asked, and learned."""
