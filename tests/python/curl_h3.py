"""Uploads by curl over HTTP/3 only, each on a connection of its own.

argv[1]: {"port", "path", "bytes" of the upload, "times"}.
Prints [{"status", "body", "error"}].
"""
import io
import json
import sys

from curl_cffi import Curl, CurlError, CurlHttpVersion, CurlInfo, CurlOpt

job = json.loads(sys.argv[1])
answers = []
for _ in range(job["times"]):
    curl, body, upload = Curl(), io.BytesIO(), io.BytesIO(b"x" * job["bytes"])
    curl.setopt(CurlOpt.URL, f"https://localhost:{job['port']}{job['path']}".encode())
    curl.setopt(CurlOpt.HTTP_VERSION, CurlHttpVersion.V3ONLY)
    curl.setopt(CurlOpt.SSL_VERIFYPEER, 0)
    curl.setopt(CurlOpt.SSL_VERIFYHOST, 0)
    curl.setopt(CurlOpt.UPLOAD, 1)
    curl.setopt(CurlOpt.READDATA, upload)
    curl.setopt(CurlOpt.INFILESIZE, job["bytes"])
    curl.setopt(CurlOpt.WRITEDATA, body)
    try:
        curl.perform()
        error = ""
    except CurlError as failure:
        error = str(failure)
    status = curl.getinfo(CurlInfo.RESPONSE_CODE)
    answers.append({"status": status, "body": body.getvalue().decode(), "error": error})
    curl.close()
print(json.dumps(answers))
