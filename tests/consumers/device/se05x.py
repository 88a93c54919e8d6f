"""A secure element for arduino_iot_cloud.ussl: certificate and key stay outside MicroPython.

The key never enters this process: signing is done by the openssl command. ELEMENT names the
certificate (.der) and key (.pk8) of the element.
"""

import os


class SE05X:
    def __init__(self):
        self.element = os.getenv("ELEMENT")
        self.scratch = os.getenv("ELEMENT_SCRATCH")

    def read(self, object_id, max_size):
        with open(self.element + ".der", "rb") as file:
            return file.read()

    def sign(self, object_id, digest):
        with open(self.scratch + "/digest", "wb") as file:
            file.write(digest)
        command = "openssl pkeyutl -sign -inkey %s.pk8 -in %s/digest -out %s/signature"
        if os.system(command % (self.element, self.scratch, self.scratch)) != 0:
            raise OSError("the secure element failed")
        with open(self.scratch + "/signature", "rb") as file:
            signature = file.read()
        print("SIGNED", len(digest), len(signature))
        return signature
