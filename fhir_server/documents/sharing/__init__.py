"""Sharing of documents: IHE MHD and PDSm; `registry` is what another face (XDS.b) builds on. Spec: PDSm 3.1.1, MHD 4.2."""
