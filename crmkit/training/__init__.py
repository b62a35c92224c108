"""The trainer's kit: plans of a session, fresh copies of lessons, and whether a machine is ready."""
