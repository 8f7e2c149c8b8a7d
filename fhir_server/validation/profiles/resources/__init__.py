"""What R4 asks of single resource types beyond structure and invariants: Bundle, Questionnaire, Measure and others."""
