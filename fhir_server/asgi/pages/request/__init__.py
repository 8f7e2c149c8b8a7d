"""The pages of an authorization request: emergency reason, patient and encounter, consent."""
