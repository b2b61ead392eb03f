"""What leaves: messages, run lengths, pictures for people, files."""
