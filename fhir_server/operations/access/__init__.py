"""Operations about access: who may see what, and why."""
