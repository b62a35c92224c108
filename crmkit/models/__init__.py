"""What is fitted, not counted: buying until people leave, spending, and how long they stay."""
