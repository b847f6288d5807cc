"""The stand-in Mywellness server, asked in raw HTTP as the contract writes it."""
