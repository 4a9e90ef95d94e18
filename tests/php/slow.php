<?php
sleep((int) $_GET['seconds']);
echo 'late';
