"""Relations: what joins a person, or everyone, to a patient's record, and what takes it away."""
