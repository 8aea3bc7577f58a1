# How a training runs alone: `python benchmarks/trainings/gru.py`, as training.ts beside it.
import time


def main(begin, steps):
    step = begin()
    start = time.perf_counter()
    for done in range(0, steps, steps // 10):
        losses = [step().item() for _ in range(steps // 10)]
        print(f"{done + steps // 10} steps: loss {sum(losses) / len(losses):.4f}")
    print(f"{time.perf_counter() - start:.1f} s")
