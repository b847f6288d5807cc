"""Everything between us and Mywellness: who is sent, what is sent, how, and a sandbox to try it on."""
