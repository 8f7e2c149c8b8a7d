"""The signed-in person's own pages: his account, the apps that he authorised, his second factor."""
