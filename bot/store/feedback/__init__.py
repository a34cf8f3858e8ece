"""What people say of answers: reactions, choices, teachings, and the notes and examples made of them."""
