"""The signed-in person's own pages: account, authorised apps, second factor; an operator's approvals."""
