# On the device, as boot.py or at its end, with wss_repl.py and the three files beside it.

import time

import network
import ntptime
import wss_repl

# Without one the certificate alone says who may come in.
PASSWORD = None  # set your own, at most 9 bytes

wlan = network.WLAN(network.STA_IF)
wlan.active(True)
wlan.connect("SSID", "PASSWORD")
for _ in range(100):
    if wlan.isconnected():
        break
    time.sleep_ms(100)

try:
    # A certificate is valid from a day to a day: without the right time all are refused.
    ntptime.settime()
    wss_repl.start(password=PASSWORD)
except (OSError, ValueError) as error:
    # Without it the device is still there on its serial port.
    print("wss_repl:", repr(error))
