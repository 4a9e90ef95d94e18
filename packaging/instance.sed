# Makes the template unit caddy@.service, and its drop-in, of those of the usual service: what is
# named caddy in its paths is caddy-NAME there.
s|^Description=.*|& (%i)|
s|/etc/caddy/|/etc/caddy-%i/|
s|/etc/default/caddy$|&-%i|
s|/etc/sysconfig/caddy$|&-%i|
s|/var/lib/caddy|&-%i|
s|/run/caddy/|/run/caddy-%i/|
s,^\(State\|Logs\|Runtime\)Directory=caddy$,&-%i,
s|caddy.service.d/|caddy@.service.d/|
