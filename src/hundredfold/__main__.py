"""`python -m hundredfold`."""

from hundredfold.cli import main

if __name__ == "__main__":
    main()
