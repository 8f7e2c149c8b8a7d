"""The pages about a record: who may see it, who looked at it, and taking it back; for a professional, his mode."""
