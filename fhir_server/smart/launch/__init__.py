"""Launch: what an app is started for, as a host software tells it or the person picks it."""
