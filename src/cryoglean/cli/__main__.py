"""`python -m cryoglean.cli`: the same as `cryoglean`."""

from cryoglean.cli.main import main

if __name__ == "__main__":
    main()
