"""The log of a job, read line by line while it grows, and what the job was given and gave back."""
