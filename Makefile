# Alias for people whose fingers type make; `./dev` is the real thing and takes arguments.
.PHONY: demo test all check bench trace doctor lock
demo test check bench trace doctor lock:
	@./dev $@
all:
	@./dev test --all
