"""The record itself: is there one, is it open, who may consult it: DMP TD0.2, TD0.3, TD1. Spec: consent.html."""
