#!/bin/bash
# Makes this machine look like one of Red Hat's with SysV init: its directories, and stand-ins
# for the tools of `chkconfig` and `initscripts`, with the behaviour that ours rely on.
set -euo pipefail

rm -rf /etc/init.d /etc/rc?.d /etc/rc.d /usr/bin/systemctl /lib/systemd/systemd
mkdir -p /etc/rc.d/init.d /etc/sysconfig /run/lock/subsys
ln -s rc.d/init.d /etc/init.d
for level in 0 1 2 3 4 5 6; do
    mkdir "/etc/rc.d/rc$level.d"
    ln -s "rc.d/rc$level.d" "/etc/rc$level.d"
done
# On these machines sh is bash.
ln -sfn bash /usr/bin/sh
rm -rf /var/lib/rpm /root/.rpmdb
mkdir -p /etc/rpm
echo '%_dbpath /var/lib/rpm' >/etc/rpm/macros
cp /run/world/functions /etc/rc.d/init.d/functions
cp /run/world/rc /etc/rc.d/rc
cp /run/world/chkconfig /run/world/service /usr/sbin/
chmod 0755 /etc/rc.d/rc /usr/sbin/chkconfig /usr/sbin/service
