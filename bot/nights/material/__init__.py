"""What a night learns from: a person's feedback, their wishes, and the lessons made of both."""
