"""Sessions on disk: all that came in and all that came of it, and the proof that it comes again.

codec     what is seen of a session, as JSON and back
files     a recording's folder
recorder  the observer that writes it
replay    goes through a recording again, without a clock, and compares
command   `parley replay`
"""
