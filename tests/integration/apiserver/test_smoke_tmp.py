from __future__ import annotations
import sys; sys.path.insert(0,"/tmp/apis")
from typing import Any

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx}]}
"""

async def test_smoke(cluster: Any) -> None:
    for cmd, stdin in (("version",""),("api-resources",""),("get ns",""),("apply -f -",DEPLOYMENT),("get deploy -o wide",""),("get deploy web -o yaml",""),
        ("scale deploy web --replicas=5",""),("label deploy web a=b",""),("annotate deploy web c=d",""),("explain deploy.spec",""),
        ("diff -f -",DEPLOYMENT.replace("replicas: 2","replicas: 3")),("apply -f -",DEPLOYMENT.replace("nginx","httpd")),("get deploy web -o jsonpath={.spec.replicas}",""),
        ("create service clusterip web --tcp=80:80",""),("get svc",""),("run p --image=x",""),("get po -o wide",""), ("get po p -o yaml",""),("describe po p",""),
        ("create -f -",DEPLOYMENT),("apply -f -",DEPLOYMENT.replace("image: nginx","imagee: nginx")),("delete po p",""),("delete deploy web",""),("get all",""),("auth whoami",""),("auth can-i create pods",""),("logs nope",""),("get foo",""),("wait --for=delete po/p --timeout=2s",""),("apply --server-side -f -",DEPLOYMENT),
        ("edit deploy web","")):
        r = await cluster.kubectl(*cmd.split(), stdin=stdin, code=None)
        print("$ kubectl", cmd, "->", r.code); print(r.out[:1500]); print(r.err[:1500])
