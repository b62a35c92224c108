"""crmkit: a course, a laboratory and a toolbox for customer relationship management, in Japanese and English."""
