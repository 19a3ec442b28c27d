int torch_answer() { return 42; }
