"""The access list: what staff have decided, compiled into what an edge needs to decide alone."""
