// Linked to the stand-in, so that it does not start without it.
int torch_answer();

int main() { return torch_answer() == 42 ? 0 : 1; }
