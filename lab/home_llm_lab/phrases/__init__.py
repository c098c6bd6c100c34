"""What people say, by language: templates with alternatives and slots."""
