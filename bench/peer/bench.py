"""Training steps and inference in eager PyTorch, timed. README.md gives the file formats and the protocol."""

import argparse
import ctypes
import os


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", choices=("pretrain", "finetune", "inference"), default="pretrain")
    families = ("mask2former", "maskformer", "mp-former", "oneformer")
    parser.add_argument("--family", choices=families, default=families[0], help="of finetune and inference")
    parser.add_argument("--backbone", choices=("resnet50", "swin-t"), default="resnet50")
    parser.add_argument("--weights", help="safetensors file; without it PyTorch initialises")
    parser.add_argument("--inputs", help="safetensors file; without it a seeded batch")
    parser.add_argument("--images", type=int, default=1, help="batch size of a training step")
    parser.add_argument("--size", type=int, default=256, help="side of the images; inference: shorter side")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--train-backbone", action="store_true", help="of pretrain; default: frozen")
    parser.add_argument("--channels-last", action="store_true", help="memory format of backbone and images")
    parser.add_argument("--mode", choices=("run", "serve"), default="run")
    return parser.parse_args()


def tune(threads):
    """What eager PyTorch needs on a CPU to be fast; has to come before numpy and torch load their libraries.

    PyTorch's OpenMP threads and OpenBLAS's own threads both wait by spinning, each on the cores that the other needs:
    without the first two settings a step takes twice as long. The allocator hands freed tensors back to the system,
    which then clears their pages anew: keeping those up to 32 MiB, glibc's limit, saves some of that. Keeping the
    larger ones too saves more, but fragments: 10.9 GB instead of 7.4 GB at 512x512.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "10")  # spin for 2^10 cycles at most
    os.environ.setdefault("OPENBLAS_NUM_THREADS", str(threads))
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc only
    if mallopt:
        trim_threshold, mmap_threshold = -1, -3
        mallopt(mmap_threshold, 32 * 2**20)
        mallopt(trim_threshold, 2**31 - 1)


def main():
    options = arguments()
    tune(options.threads)
    from measure import run  # not before tune()

    run(options)


if __name__ == "__main__":
    main()
