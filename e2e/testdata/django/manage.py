"""A Django application as they are: accounts, a login by session, groups. For griphub it has one view more."""
import os
import sys

from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "community.settings")
execute_from_command_line(sys.argv)
