"""A question becomes an answer, under what is known of the person."""
