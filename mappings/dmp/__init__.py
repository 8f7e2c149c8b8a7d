"""The DMP's index of documents: XDS metadata as a DocumentReference. Source: PDSm 3.1.1, pdsm4dmp."""
