"""Sharing of documents by IHE MHD and PDSm. Spec: https://profiles.ihe.net/ITI/MHD/4.2.3/, PDSm 3.1.1."""
