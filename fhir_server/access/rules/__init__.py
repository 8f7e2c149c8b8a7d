"""Rules: what each source allows and denies, in the order in which decisions are explained."""
