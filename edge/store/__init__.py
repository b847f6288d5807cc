"""What an edge keeps on its disk: its journal, and the access list it decides with."""
