"""Who may do what: roles, permissions, passwords and logins."""
