"""The live page: who passed and who was refused, as it happens."""
