"""The central server: people, memberships, passages, and the way to Mywellness."""
