"""Search: python scripts/tune.py experiment=<name> search=<name> trials=40 [option=value ...]."""

from dlcourse.tuning import main

if __name__ == "__main__":
    main()
