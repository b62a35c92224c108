"""What learners have tried and solved: a file on their own computer, and a trainer's board of many such files."""
