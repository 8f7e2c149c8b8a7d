"""Which establishments may sign the assertions of SOAP messages: the verbs `vihf`."""
