"""upydev's own library as a client over wss that has no certificate: argument TARGET.

(Its command line always shows one.)
"""

import sys

from upydevice import Device

device = Device(sys.argv[1], "testpass", init=True, ssl=True, auth=False)
print("LET IN", device.wr_cmd("print(6*7)", silent=True, rtn_resp=True))
