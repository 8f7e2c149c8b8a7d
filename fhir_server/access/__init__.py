"""Access: who may do what. Pure decisions that never touch the store."""
